#!/bin/sh
# bench/gpu.sh: a tiny folder is prepared, and run against the driver of tests/cuda/driver. No figure is
# looked at, only that there is one of everything that can be had here. bench/cuda_check.py --only, too.
. "$(dirname "$0")/common.sh"
need "${CC:-cc}" gcc
need "${CXX:-g++}" g++
python=$(dirname "$onnxcc")/venv/bin/python
[ -x "$python" ] || { echo "skipped: no Python packages of tests/requirements.txt" && exit 77; }
rm -rf gpu results libraries
mkdir libraries
${CC:-cc} -shared -fPIC -O1 -o libcuda.so.1 "$root"/tests/cuda/driver/*.c -pthread

# Beside every program for GPUs, its kernels for the driver.
cat > onnxcc <<END
#!/bin/sh
"$onnxcc" "\$@" || exit
case " \$* " in *" --device=cuda "*) ;; *) exit 0 ;; esac
n=\$(ls "$out/libraries" | wc -l)
"$onnxcc" "\$@" --emit=cuda -o "$out/kernels.cu" && ${CXX:-g++} -std=gnu++17 -O0 -shared -fPIC -ffp-contract=off \\
    -x c++ -include "$root/runtime/emu/cuda_emu.h" "$out/kernels.cu" -o "$out/libraries/\$n.so"
END
chmod +x onnxcc
mkdir -p models/digits
cp "$(model_of digits)" models/digits/model.onnx
cp -r "$(data_of digits)"/test_data_set_* models/digits
echo '{"bytes": 1, "rtol": 1e-3, "atol": 1e-5, "bench_set": 0}' > models/digits/model.json
# a name of no model is a mistake, not nothing to do
if "$python" -B "$root/bench/cuda_check.py" "$onnxcc" --models models --only digits,digit 2> only.log; then
    echo "FAIL: cuda_check.py knows no model digit"
    exit 1
fi
grep -qx 'error: no model digit; there are digits' only.log
if ! PYTHON=$python "$root/bench/gpu.sh" prepare --out gpu --onnxcc "$out/onnxcc" --tiny --cases 12 --models models \
    --gpu-arch sm_80 > prepare.log 2>&1; then
    cat prepare.log
    grep -q 'NVRTC .* was not found' prepare.log && echo "skipped: no CUDA toolkit" && exit 77
    exit 1
fi
cat prepare.log
kernels=$(find "$out/libraries" -name '*.so' | tr '\n' ':')
env LD_LIBRARY_PATH="$out" FAKE_CUDA_KERNELS="${kernels%:}" PYTHON=false \
    sh gpu/gpu.sh run --to results --rounds 2 --seconds 300 > run.log 2>&1 || { cat run.log results/log; exit 1; }
cat results/gpu.md
grep -q 'measured 20..-..-.. on Fake 0; no PyTorch' results/gpu.md
grep -q '^ONNX backend tests: 12 of 12 passed, 0 failed, 0 not run' results/gpu.md
grep -q '^Results of models of tests/cuda/tiles.py: [1-9][0-9]* of [1-9][0-9]* passed, 0 failed, 0 not run' results/gpu.md
for name in matmul_f16_32 matmul_bf16_32 matmul_f32_32 attention_f16_1_2_16_8 copy_f32_8_64 rmsnorm_bf16_8_64 digits; do
    grep -q "^| $name | yes | [0-9.]* | [-0-9].* | - | - | - | - | [0-9.]* | - |\$" results/gpu.md || {
        echo "FAIL: no line of $name"
        exit 1
    }
done
# a stand-in for PyTorch answers all but one question, and the quotient is with the better of its times
cat > torch <<'END'
#!/bin/sh
echo "PyTorch of nobody"
while read -r request; do
    [ "$request" != "network digits" ] || exit 1
    echo "1000.5 1000000 2500000"
done
END
chmod +x torch
env LD_LIBRARY_PATH="$out" FAKE_CUDA_KERNELS="${kernels%:}" PYTHON="$out/torch" \
    sh gpu/gpu.sh run --to results --rounds 1 --seconds 200 --parts kernels,models > run.log 2>&1
grep -q 'on Fake 0; PyTorch of nobody\.' results/gpu.md
grep -q '^| copy_f32_8_64 | yes .* | 1000.5 | 1000000 | [0-9.]* x | 0.0 | 2.5 |$' results/gpu.md
grep -q '^| digits | yes .* | - | - | - | - | 0.1 | - |$' results/gpu.md
# a wrong result is exit code 1, and the time is kept
for set in gpu/check/*/test_data_set_0; do printf '\010\001\020\001\042\004\000\000\200\177' > "$set/output_0.pb"; done
code=0
env LD_LIBRARY_PATH="$out" FAKE_CUDA_KERNELS="${kernels%:}" PYTHON=false \
    sh gpu/gpu.sh run --to results --seconds 60 --parts check > run.log 2>&1 || code=$?
[ $code = 1 ] && grep -q '^ONNX backend tests: 0 of 12 passed, 12 failed' results/gpu.md
! "$root/bench/gpu.sh" 2> usage.log && grep -q 'bench/gpu.sh prepare' usage.log
! sh gpu/gpu.sh run --parts > run.log 2>&1
PYTHON=$python "$root/bench/gpu.sh" prepare --out gpu --onnxcc "$onnxcc" --tiny --parts kernels --gpu-arch sm_80 --limit 0.1 \
    > prepare.log 2>&1 && exit 1
grep -q 'are more than 0.1: choose --parts, --only or --cases' prepare.log
