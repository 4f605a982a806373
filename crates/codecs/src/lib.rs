//! Codec traits, their registry, G.711 and L16
