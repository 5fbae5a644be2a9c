"""The model of a table and its clocks that the rules of the tap are played against."""
