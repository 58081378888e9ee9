"""What crosses process borders: names of records, tensors, arrays in shared memory."""
