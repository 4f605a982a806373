//! Counters that can be read one by one and listed with their names.

/// Declares a struct of counters that start at zero, and `iter` over all of them, so that none is forgotten where they
/// are shown.
macro_rules! counters {
    ($(#[$about:meta])* $name:ident { $($(#[$reason:meta])* $counter:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$reason])* pub $counter: u64,)*
        }

        impl $name {
            /// Each counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($counter), self.$counter),)*].into_iter()
            }
        }
    };
}

pub(crate) use counters;
