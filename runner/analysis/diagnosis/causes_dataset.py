"""Causes that lie in images, captions and the dataset's configuration."""

from __future__ import annotations

from runner.analysis.diagnosis.cures import cure
from runner.analysis.diagnosis.signs import Entry, raised, said, warned
from runner.model import Phase

_READS_CONFIG = r"^(?:load_user_config|read_config_from_file|loads?|generate_blueprint)$"
_BAD_IMAGE = r"failed to get image size|Error loading file"

DATASET: tuple[Entry, ...] = (
    Entry(
        "dataset_toml_invalid",
        "A key or a value in the dataset configuration is wrong; the message names its place. "
        "Only the first mistake is shown.",
        (
            said(
                r"voluptuous\.error|MultipleInvalid|extra keys not allowed|required key not provided"
                r"|for dictionary value @|Neither DreamBooth mode nor fine tuning"
                r"|subset and fine tuning subset cannot be mixed"
                r"|(?:image_dir|metadata_file) must be specified|image_dir is required when"
                r"|is not a valid interpolation"
            ),
            warned(r"^Invalid user config"),
        ),
    ),
    Entry(
        "dataset_toml_syntax",
        "The configuration file is not valid TOML. Correct the line that is named; TOML writes "
        "true and false in lower case, and Windows paths in single quotes.",
        (
            said(r"TomlDecodeError|TOMLDecodeError"),
            raised(r"JSONDecodeError|UnicodeDecodeError", frames=_READS_CONFIG),
            warned(r"^Error on parsing (?:TOML|JSON) config file"),
        ),
    ),
    Entry(
        "dataset_toml_missing",
        "The dataset configuration was not found, or is neither TOML nor JSON. Correct the path in "
        "dataset_config.",
        (
            said(r"ValueError: file not found|not supported config file format"),
            raised(r"FileNotFoundError.*\.(?:toml|json)'?", frames=_READS_CONFIG),
        ),
        cures=(cure("dataset_config=PATH"),),
    ),
    Entry(
        "config_file_missing",
        "The file given as config_file does not exist. Correct its path.",
        (said(r"\.toml not found\.$"),),
        cures=(cure("config_file=PATH"),),
    ),
    Entry(
        "output_config_exists",
        "The file that output_config should write exists already. Drop the flag or the file.",
        (said(r"Config file already exists\. Aborting"), warned(r"Config file already exists")),
        cures=(cure("output_config=false"),),
    ),
    Entry(
        "no_data",
        "No image was found. In folder mode train_data_dir must be the parent of folders named "
        "like 10_name; in TOML mode image_dir must be the folder with the images.",
        (said(r"No data found|num_samples=0|no metadata\b"),),
    ),
    Entry(
        "caption_empty",
        "A caption file is empty. Write a caption into it or delete it.",
        (said(r"caption file is empty"),),
    ),
    Entry(
        "caption_encoding",
        "A caption file is not UTF-8 text. Convert it to UTF-8.",
        (
            said(r"illegal char in file"),
            raised(r"UnicodeDecodeError", warned=r"illegal char in file"),
            raised(r"UnicodeDecodeError", phases=(Phase.DATASET, Phase.CACHING, Phase.TRAINING)),
            warned(r"illegal char in file"),
        ),
    ),
    Entry(
        "caption_missing",
        "Images have no caption. The trainer looks for .caption files unless caption_extension "
        "says .txt.",
        (
            said(r"caption or tag is required|neither caption file nor class tokens"),
            said(r"caption or tags not found"),
        ),
        cures=(cure("caption_extension=.txt"),),
    ),
    Entry(
        "image_unreadable",
        "A file in the image folder is no readable image. Remove or replace the file that is "
        "named.",
        (
            said(
                r"cannot identify image file|UnidentifiedImageError|image file is truncated"
                r"|broken data stream|Truncated File Read|DecompressionBomb|not a PNG file"
                r"|broken PNG file|unrecognized data stream"
            ),
            raised(r"ZeroDivisionError", warned=_BAD_IMAGE),
            raised(r"cv2\.error|OSError|SyntaxError|ValueError", warned=_BAD_IMAGE),
            raised(
                r"^(?:\w+\.)*(?:OS|IO|Value|Syntax|Type|Index|FileNotFound|Permission|Image\w*)Error\b|^cv2\.error",
                frames=r"^load_image$",
            ),
        ),
    ),
    Entry(
        "bucket_resolution",
        "The bounds of the buckets do not hold the resolution: min_bucket_reso must not be above "
        "it and max_bucket_reso not below.",
        (
            raised(r"ZeroDivisionError", frames=r"^make_bucket_resolutions$"),
            said(r"min_bucket_reso must be|max_bucket_reso must be|the max_size should be larger"),
        ),
        cures=(cure("min_bucket_reso=64"),),
    ),
    Entry(
        "image_too_small_for_bucket",
        "An image has a side shorter than bucket_reso_steps, and bucket_no_upscale forbids to "
        "enlarge it. Drop that flag or the image.",
        (
            raised(r"ZeroDivisionError", frames=r"^select_bucket$"),
            raised(r"ZeroDivisionError", phases=(Phase.DATASET,)),
        ),
        cures=(cure("bucket_no_upscale=false"),),
    ),
    Entry(
        "image_size_without_buckets",
        "An image does not have the training resolution, and without buckets it is not fitted to "
        "it. Turn on enable_bucket or resize the image.",
        (said(r"image too large, but cropping and bucketing|image size is small"),),
        cures=(cure("enable_bucket=true"),),
    ),
    Entry(
        "resolution_missing",
        "No resolution was given, neither in the dataset configuration nor on the command line.",
        (said(r"resolution is required"),),
        cures=(cure("resolution=512"),),
    ),
    Entry(
        "bucket_reso_steps",
        "bucket_reso_steps must be a multiple of 64 for SD networks, of 32 for SDXL and Flux.",
        (said(r"bucket_reso_steps is \d+|it must be divisible by (?:64|32|16)"),),
        cures=(cure("bucket_reso_steps=64"),),
    ),
    Entry(
        "cache_latents_augmentation",
        "Cached latents cannot be combined with color_aug or random_crop. Drop one of them.",
        (said(r"when caching latents, either"),),
        cures=(cure("cache_latents=false", "cache_latents_to_disk=false"),),
    ),
)
