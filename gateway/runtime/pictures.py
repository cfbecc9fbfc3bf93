"""Where pictures are kept, as `SPOTLIGHT_PICTURES` says."""

from gateway.runtime.accounts import read_given
from gateway.runtime.settings import Settings, adapter_settings
from gateway.storage.pictures import FolderPictures, Pictures


def build_pictures(settings: Settings) -> Pictures:
    """The store of this installation. SettingsError."""
    if settings.pictures == "s3":
        # Imported where it is used: most installations have no bucket.
        from gateway.storage.bucket_pictures import BucketPictures, BucketSettings

        return BucketPictures(read_given("s3", adapter_settings("s3"), BucketSettings))
    return FolderPictures(settings.data_dir / "pictures")
