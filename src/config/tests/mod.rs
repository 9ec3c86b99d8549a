//! The configuration as its users meet it: files in, a configuration or a rendered list of faults out.
