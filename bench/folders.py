"""The model folders that bench/export_models.py writes."""


def model_folders(path, only):
    """Those in `path`, by name; of a comma list `only` (None: all), or LookupError tells which are not there."""
    folders = sorted(p.parent for p in path.glob("*/model.json"))
    if not only:
        return folders
    wanted = only.split(",")
    missing = set(wanted) - {f.name for f in folders}
    if missing:
        raise LookupError(f"{path} has no {', '.join(sorted(missing))}: run bench/export_models.py")
    return [f for f in folders if f.name in wanted]
