#!/bin/sh
# Portable C: compiled without a warning, needing nothing, defining only what its header declares.
. "$(dirname "$0")/common.sh"
for model in digits tiny_transformer; do
    "$onnxcc" "$(model_of $model)" --emit=c -o $model.c
    for level in -O2 -O0; do
        test $level$model = -O0tiny_transformer && continue
        ${CC:-cc} -std=c99 -Wall -Werror $level -c $model.c -o $model.o
        ${CC:-cc} -std=c99 -Wall -Werror -I. -I"$root/tests/models" "$(program_of $model)" $model.o -o $model.c.exe
        ./$model.c.exe
    done
    only_defines $model.o $model
    if nm -u $model.o | grep -Ev ' (memcpy|memmove|memset|_GLOBAL_OFFSET_TABLE_)$'; then
        echo "FAIL: $model.o needs a library"
        exit 1
    fi
    echo "$model: ok"
done
"$onnxcc" "$(model_of digits)" -O0 --emit=c -o digits.c # the straight road, too
${CC:-cc} -std=c99 -Wall -Werror -O1 -I. -I"$root/tests/models" "$(program_of digits)" digits.c -o digits.c.exe
./digits.c.exe
"$onnxcc" "$(model_of digits)" "$(model_of tiny_transformer)" --entry=digits,tiny_transformer --emit=c -o both.c
${CC:-cc} -std=c99 -Wall -Werror -O1 -c both.c -o both.o
for model in rounds top nonzero; do # loops, faults of the runtime's functions, sizes of the run
    "$onnxcc" "$root/tests/run/models/$model.onnx" --emit=c -o $model.c
    ${CC:-cc} -std=c99 -Wall -Werror -O1 -c $model.c -o $model.o
done
echo "-O0, two entries, loops: ok"
