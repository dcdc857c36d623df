"""Foreign libraries, a file each: imported by those alone who use them."""
