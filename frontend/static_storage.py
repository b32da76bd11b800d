"""Static files with a hash in their name, so that browsers may keep them for a year."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Also rewrites `import "./x.js"` inside ES modules."""

    support_js_module_import_aggregation = True
