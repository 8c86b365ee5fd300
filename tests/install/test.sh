# Installs into a folder and builds a project that finds the package there: test.sh CMAKE BUILD ROOT
set -eu
cmake=$1 build=$2 root=$3
tmp=$(mktemp -d "${TMPDIR:-/tmp}/onnxcc-install-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
DESTDIR="$tmp/dest" "$cmake" --install "$build" --prefix /opt/onnxcc >"$tmp/log"
prefix=$tmp/dest/opt/onnxcc
for file in bin/onnxcc bin/onnxcc-opt include/onnxcc/abi.h share/man/man1/onnxcc.1; do
    [ -s "$prefix/$file" ] || { echo "$file is not installed"; exit 1; }
done
[ "$("$prefix/bin/onnxcc" --version)" = "onnxcc $(sed -n 's/^.TH.*"onnxcc \([0-9.]*\)".*/\1/p' \
    "$prefix/share/man/man1/onnxcc.1")" ] || { echo "the manual page is of another version"; exit 1; }
for option in $("$prefix/bin/onnxcc" --help-all | sed -n 's/^  \(-[^ =]*\).*/\1/p'); do
    grep -qF ".B $(printf %s "$option" | sed 's/-/\\-/g')" "$prefix/share/man/man1/onnxcc.1" ||
        { echo "$option is not in the manual page"; exit 1; }
done
printf '#include "onnxcc/abi.h"\nint x = ONNXCC_ABI;\n' >"$tmp/header.c"
${CC:-cc} -std=c99 -Wall -Wextra -pedantic -Werror -I"$prefix/include" -c "$tmp/header.c" -o "$tmp/header.o"
"$cmake" -S "$root/tests/install" -B "$tmp/user" -DROOT="$root" -DCMAKE_PREFIX_PATH="$prefix" >"$tmp/log" 2>&1 &&
    "$cmake" --build "$tmp/user" >>"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
"$tmp/user/demo" "$root/demo/digits" | tee "$tmp/said"
grep -q "20 of 20 right" "$tmp/said"
