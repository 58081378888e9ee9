"""A family that the table has not: `layouts` asks for its layers, `modules` reads them apart."""
