"""Speed and memory, side by side with what people use today. `make bench` and `make bench-main-job` write the page.

`rows/` says what is compared with what and which goal it must reach; `measured/` holds what is measured, each in a
process of its own.
"""
