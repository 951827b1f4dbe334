"""The commands of `orders`, one module per noun: thin shells that read options, call the engines and print."""
