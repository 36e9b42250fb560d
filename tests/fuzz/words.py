"""What formats are made of: mutations put these where chance alone would never write them."""

from __future__ import annotations


def _of(*texts: str) -> tuple[bytes, ...]:
    return tuple(word.encode() for text in texts for word in text.split())


FLAGS = _of(
    "--output_dir= --output_name= --pretrained_model_name_or_path= --dataset_config= --resume=",
    "--network_module= --network_args --optimizer_args --resolution= --config_file= --logging_dir=",
    "--sample_prompts= accelerate launch python train_network.py networks.lora 1e-4 512,512",
)
SHELL = _of(
    "$( ) ${A:- } ${A[@]} [[ ]] if then fi for do done case esac <<E $0 $@ $'\\x41' export source cd",
    "&& || | & ; A+=( ) %% ## ~ {1..9} ${#A} $((1<<3)) function { } \\ ` shift set eval exec read",
)
PYTHON = _of(
    "subprocess.run([ ]) os.system( f'{a}' for x in range(9): def f(): if else: import ' '.join(",
    "**kw open( .format( json.dump( toml.dump(",
)
BAT = _of("set %A% !A! if not exist else ( ) goto :end call for %%a in ^ setlocal /a %~dp0 rem")
POWERSHELL = _of(
    '$a= @( ) [System.Collections.ArrayList]::new() .Add( foreach in if ( ) { } -eq `" <# #>',
    "$Env:A [void] param( switch Start-Process -ArgumentList",
)
JSON = (
    *_of(
        '{"a":1} [[ ]] null true NaN Infinity 1e999 -0 "\\ud800" "" {} 18446744073709551616 , : 0.1'
    ),
    b"1" * 5000,
)
KOHYA = _of('"LoRA_type":"Standard" "network_module": "output_name": "train_data_dir":"" "epoch":')
LORA = _of('"__metadata__": "ss_network_module":"networks.lora" "ss_optimizer":"A(a=1)" "ss_lr":')
TENSORS = _of(
    '"data_offsets":[0,4] "dtype":"F32" "shape":[1] "__metadata__":{} .lora_down.weight .alpha',
    '.lora_up.weight "F8_E4M3" "BOOL" .hada_w1_a .lokr_w1 .dora_scale',
)
METADATA = _of('"image_path": "caption": "image_size":[1,2] "tags":')
TOML = (
    *_of(
        "[a] [[a]] a.b={} \"\"\" ''' 1979-05-27T07:32:00Z inf nan 0xffffffffffffffffff 1_0 true # ="
    ),
    b"0x" + b"f" * 5000,
    b"1" * 5000,
)
SECTIONS = _of(
    "[trainer] [train] [smoke] [expect] [guard] [notify] [dataset] [accelerate] sd_scripts= on=",
    "launcher= env= nice= device= checkpoint_mb= ntfy= gate=",
)
DATASET = _of(
    "[general] [[datasets]] [[datasets.subsets]] resolution= num_repeats= image_dir= network_module="
)
YAML = _of("- & * ! | > --- ? network_module: output_name: job: config: <<: !!python/object")
PROMPTS = _of("--w --h --d --s --l --n --ss [prompt]")
ACCELERATE = _of("num_processes: use_cpu: ² distributed_type:")
THEME = _of("[colors] [roles] [ramp] stops= name= #ff00ff")
CONSOLE = (
    *_of("steps: 100%|##| 5/20 [00:01<00:02,1.0it/s,avr_loss=nan] epoch 1/4 Traceback INFO WARNING"),
    b"--- plasma-tui attempt 2", b"model saved.", b"saving checkpoint: ", b"\x1b[0m", b"\r", b"\n",
    b"steps:   5%|\xe2\x96\x8c   | 1/20 [00:00<00:09,  2.1it/s, avr_loss=0.12]", b"\xff\xfe", b"\x1f\x8b",
)  # fmt: skip
ROWS = (
    b'[1,0.5,0.1,0.2,1e-4,1]\n', b'{"at":1.5,"kind":"ended","attempt":1,"data":{"outcome":"x"}}\n', b"\n",
    b'"nan"', b'"-inf"', b"null", b",", b"[", b"]", b"9223372036854775807", b"1e308",
)  # fmt: skip
FILES = tuple(
    f"\n=== {name}\n".encode()
    for name in (
        *("spec.json", "status.json", "steps.jsonl", "events.jsonl", "hardware.jsonl", "exit.json"),
        *(
            "keeper.json",
            "attempt-1.json",
            "attempt-2.json",
            "norms.jsonl",
            "label.json",
            "console.log",
        ),
        *("preflight.json", "approval.json", "1-aa.json", "2-bb.json"),
    )
)
IMAGE = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"\xff\xc0\0\x11\x08",
    b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0", b"\xff\xd9", b"RIFF", b"WEBPVP8X", b"VP8L", b"VP8 ", b"BM",
    b"II*\0", b"ftypavif", b"\0\0\0\x0cJXL ", b"GIF89a", b"<svg width='1cm'>", b"P6 1 1 255\n", b"\xff\x0a",
    b"ispe", b"meta", b"iprp",
)  # fmt: skip
ZIP = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b'{"current_step": 1}')
NPZ = (*ZIP, b"\x93NUMPY\1\0", b"'descr': '<f4'", b"'shape': (1,)", b"{'fortran_order': False}")
TOOLS = (
    b"\x1ePLASMA {}", b"0, GPU-1, NVIDIA, 50, ", "²".encode(), b"<plist><array><dict><key>model</key>",
    b"bplist00",
)  # fmt: skip
