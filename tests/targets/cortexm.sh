#!/bin/sh
# Bare-metal Cortex-M4: the static library, and portable C by the cross compiler; run by qemu.
. "$(dirname "$0")/common.sh"
need arm-none-eabi-gcc gcc-arm-none-eabi
need qemu-system-arm qemu-system-arm
cpu="-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"
flags="$cpu -ffreestanding -nostdlib -Wl,-z,noexecstack -O2 -Wall -Werror -I. -I$root/tests/models"
board=$root/tests/cortexm

# run NAME OBJECTS...
run() {
    name=$1
    shift
    # shellcheck disable=SC2086
    arm-none-eabi-gcc $flags -T "$board/link.ld" "$board/startup.c" "$@" -lgcc -o "$name.elf"
    timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$name.elf"
    echo "$name: ok"
}

for model in digits tiny_transformer; do
    bounds=
    test $model = digits || bounds="--dim batch=1..4 --dim length=1..16"
    # shellcheck disable=SC2086
    "$onnxcc" "$(model_of $model)" $bounds --target=thumbv7em-none-unknown-eabihf -mcpu=cortex-m4 \
        --emit=staticlib -o lib$model.a
    run $model.library "$(program_of $model)" lib$model.a
    arm-none-eabi-nm lib$model.a > symbols
    if awk '$1 == "U" { print $2 }' symbols | sort -u |
        grep -Ev "^(mem(cpy|move|set)|__aeabi_[a-z0-9_]+|${model}_.*)$"; then
        echo "FAIL: lib$model.a needs more than memcpy and arithmetic helpers (above)"
        exit 1
    fi
    # shellcheck disable=SC2086
    "$onnxcc" "$(model_of $model)" $bounds --emit=c -o $model.c
    # shellcheck disable=SC2086
    arm-none-eabi-gcc $flags -std=c99 -c $model.c -o $model.o
    run $model.c "$(program_of $model)" $model.o
done
