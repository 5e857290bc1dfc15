"""What a device is: who made it, what it is called, what kind of device it is, and why that is believed."""
