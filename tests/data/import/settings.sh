#!/bin/bash
# settings
model="./models/base.safetensors"
train_data_dir='./train/my set'
reg_data_dir=""
sdxl=0
multi_gpu=0
precision="fp16"
noise_offset=0
lr="1e-4"
extArgs=()
launchArgs=()
if [[ $multi_gpu == 1 ]]; then
  launchArgs+=("--multi_gpu" "--num_processes=2")
fi
if [ $sdxl == 1 ]; then script="sdxl_train_network.py"; else script="train_network.py"; fi
if [[ $noise_offset != "0" ]]; then extArgs+=("--noise_offset" "$noise_offset"); fi
if [[ -n "$reg_data_dir" ]]; then
  extArgs+=("--reg_data_dir" "$reg_data_dir")
else
  extArgs+=("--flip_aug")
fi
python -m accelerate.commands.launch ${launchArgs[@]} --num_cpu_threads_per_process=8 "./sd-scripts/$script" \
  --enable_bucket \
  --pretrained_model_name_or_path=$model \
  --train_data_dir="$train_data_dir" \
  --output_dir="./output" \
  --resolution "512,512" \
  --network_module="networks.lora" \
  --network_args "conv_dim=4" 'conv_alpha=1' \
  --learning_rate="$lr" \
  --mixed_precision="${precision:-bf16}" \
  --output_name "${NAME:-my lora}" \
  "${extArgs[@]}"
