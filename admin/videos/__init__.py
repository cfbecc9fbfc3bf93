"""Videos of candidates: signed uploads to Cloudinary, its notifications, and what staff decide."""
