//! Session descriptions and offer/answer: text to media parameters and back
