"""Mail: what staff and organisers are written, kept until it is sent."""
