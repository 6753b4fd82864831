"""From loops to machine code by way of LLVM IR text."""
