"""Foreign libraries, one file each: imported only where they are used."""
