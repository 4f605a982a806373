//! Pure sound: resampler, levels, tones and concealment
