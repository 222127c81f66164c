//! Ports, use cases and the loops of projector and composer.
