"""What touches the world, each file behind one door; adapters of different doors are strangers."""
