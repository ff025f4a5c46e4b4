//! Mail servers that nobody here wrote.
