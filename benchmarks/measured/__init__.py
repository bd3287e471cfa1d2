"""What is measured. Functions here run in a process of their own: plain values in, plain values out."""
