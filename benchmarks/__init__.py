"""Speed and memory, side by side with what people use today: `make bench` runs all of it and writes docs/benchmarks.md.

`rows/` says what is compared with what and which goal it must reach; `measured/` holds what is measured, each in a
process of its own.
"""
