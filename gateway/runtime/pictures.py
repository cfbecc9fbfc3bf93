"""Where pictures are kept, as `SPOTLIGHT_PICTURES` says, and files of staff, as `SPOTLIGHT_EXPORTS` says."""

from gateway.runtime.accounts import read_cloudinary, read_given
from gateway.runtime.settings import Settings, SettingsError, adapter_settings
from gateway.storage.cloudinary_pictures import CloudinaryAccount, CloudinaryPictures
from gateway.storage.files import Files, FolderFiles
from gateway.storage.kept_pictures import KeptPictures
from gateway.storage.pictures import FolderPictures, Pictures


def build_pictures(settings: Settings) -> Pictures:
    """The store of this installation. SettingsError."""
    match settings.pictures:
        case "s3":
            # Imported where it is used: most installations have no bucket.
            from gateway.storage.bucket_pictures import BucketPictures, BucketSettings

            return KeptPictures(BucketPictures(read_given("s3", adapter_settings("s3"), BucketSettings)))
        case "cloudinary":
            return CloudinaryPictures(_cloudinary_account(settings))
    return FolderPictures(settings.data_dir / "pictures")


def build_files(settings: Settings) -> Files:
    """The store of this installation. SettingsError."""
    if settings.exports == "s3":
        from gateway.storage.bucket_files import BucketFiles  # as there
        from gateway.storage.bucket_pictures import BucketSettings

        return BucketFiles(read_given("exports_s3", adapter_settings("exports_s3"), BucketSettings))
    return FolderFiles(settings.data_dir / "exports")


def _cloudinary_account(settings: Settings) -> CloudinaryAccount:
    found = read_cloudinary(settings.env)
    if found is None:
        raise SettingsError("SPOTLIGHT_PICTURES: cloudinary needs CLOUDINARY_CLOUD_NAME, _API_KEY and _API_SECRET")
    return CloudinaryAccount(
        found.cloud_name,
        found.api_key,
        found.api_secret,
        found.signature_algorithm,
        found.base_url,
        found.delivery_base_url,
        found.folder,
    )
