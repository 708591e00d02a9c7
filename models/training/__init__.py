"""How the systems are trained: data, augmentation, the loop and one recipe a system."""
