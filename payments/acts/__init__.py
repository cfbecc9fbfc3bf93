"""What acts of staff do to money, each in one transaction. Who may ask and who agrees is decided in `admin`."""
