#!/usr/bin/env bash
# One character, 23 images: first five steps, then the whole run.
set -euo pipefail
export PYTORCH_ENABLE_MPS_FALLBACK=1
PROJECT="$(cd "$(dirname "$0")" && pwd)"
BASE=~/tools/ComfyUI/models/checkpoints/base.safetensors
COMMON=(
  --pretrained_model_name_or_path="$BASE"
  --dataset_config="$PROJECT/spyke_lora_dataset.toml"   # written by hand
  --output_dir="$PROJECT/output/loras/spyke"
  --save_model_as=safetensors
)

source ~/tools/kohya_ss/venv/bin/activate
cd ~/tools/kohya_ss/sd-scripts

accelerate launch --num_cpu_threads_per_process=4 train_network.py "${COMMON[@]}" \
  --output_name=smoke_test --max_train_steps=5 --learning_rate=1e-4 \
  --network_module=networks.lora --network_dim=32 --network_alpha=16 \
  --mixed_precision=no --save_precision=float --optimizer_type=AdamW --no_half_vae \
  --gradient_checkpointing --seed=42

accelerate launch --num_cpu_threads_per_process=4 train_network.py "${COMMON[@]}" \
  --output_name=spyke_plasma_v1 --learning_rate=1e-4 \
  --network_module=networks.lora --network_dim=32 --network_alpha=16 \
  --mixed_precision=no --save_precision=float --optimizer_type=AdamW --no_half_vae \
  --gradient_checkpointing --seed=42 \
  --save_every_n_steps=200 --max_train_epochs=4 --unet_lr=1e-4 --text_encoder_lr=5e-5 \
  --lr_scheduler=cosine --lr_warmup_steps=0 --clip_skip=2 --prior_loss_weight=1.0 \
  --max_data_loader_n_workers=1 --persistent_data_loader_workers 2>&1 | tee train.log
