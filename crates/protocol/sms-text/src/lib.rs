//! SMS alphabets: GSM 7-bit default and extension tables, UCS-2, one-segment limits.
