#!/bin/sh
# Checks and measures on a GPU what bench/gpu.sh prepare has put into a folder.
#
#   bench/gpu.sh run [FOLDER] [--to DIR] [--seconds 540] [--rounds 3] [--parts check,forms,...]
#
# Writes DIR/gpu.md (default: FOLDER/results), tables for docs/performance.md, and DIR/log. Each step
# has a limit of its own, and nothing begins after the given number of seconds. Rounds alternate between
# onnxcc and its peers: cuBLASLt where its library is found, PyTorch where python3 (or $PYTHON) has it.
# The exit code is 1 where a result was wrong.
set -u
self=$0
if [ "${1:-}" = --case ]; then # by xargs: one test of the official suite
    shift
    program=$1 entry=$2 data=$3 rtol=$4 atol=$5
    [ "$entry" != - ] || entry=
    if why=$(timeout 30 "./$program" $entry --check "$data" --rtol "$rtol" --atol "$atol" 2>&1); then
        echo "passed $data"
    else
        echo "failed $data: $(echo "$why" | grep -e error -e differ | head -n 1)"
    fi
    exit 0
fi

if [ "${1:-}" = --form ]; then # by xargs: one output of a model, against the CPU's program
    programs=$2 entry=$3 i=$4 output=$5 atol=$6 ptx=$7
    shift 7
    [ "$entry" != - ] || entry=
    set_of=$(mktemp -d "${TMPDIR:-/tmp}/onnxcc-form-XXXXXX") || exit 1
    check() {
        timeout 60 "./$programs.gpu" $entry "$@" --check "$set_of" --rtol 0 --atol "$atol" 2>&1
    }
    if ! timeout 60 "./$programs.cpu" $entry "$@" --output "$output=$set_of/output_$i.pb" >/dev/null 2>&1; then
        echo "not run: $entry $output"
    elif why=$(check "$@"); then
        echo "passed $entry $output"
    else
        export ONNXCC_CUDA_CODE="$ptx"
        other=$(check "$@" >/dev/null && echo agrees || echo does not, either)
        echo "failed $entry $output: $(echo "$why" | grep -e error -e differ | head -n 1); $ptx: $other"
    fi
    rm -rf "$set_of"
    exit 0
fi

folder=$1
shift
to=$folder/results seconds=540 rounds=3 parts=check,forms,kernels,models
while [ $# -gt 0 ]; do
    case $1 in
    --to) to=$2 ;;
    --seconds) seconds=$2 ;;
    --rounds) rounds=$2 ;;
    --parts) parts=$2 ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$self" >&2 && exit 1 ;;
    esac
    shift 2
done
end=$(($(date +%s) + seconds))
[ -f "$folder/about" ] || { echo "$folder is not a folder of bench/gpu.sh prepare" >&2 && exit 1; }
mkdir -p "$to"
to=$(cd "$to" && pwd) self=$(cd "$(dirname "$self")" && pwd)/$(basename "$self")
cd "$folder" || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/onnxcc-gpu-XXXXXX") || exit 1
log=$to/log
: >"$log"
wrong=0

say() {
    echo "$*" | tee -a "$log" >&2
}

has_part() {
    case ,$parts, in
    *,$1,*) [ -f "$1.txt" ] ;;
    *) false ;;
    esac
}

# bounded SECONDS COMMAND...: not beyond the end
bounded() {
    limit=$1 left=$((end - $(date +%s)))
    shift
    [ "$left" -ge 1 ] || return 124
    [ "$limit" -le "$left" ] || limit=$left
    timeout -k 5 "$limit" "$@"
}

# field NAME: the number of that name in the JSON object on standard input
field() {
    sed -n "s/.*\"$1\": \([-+.0-9e]*\).*/\1/p"
}

# median NUMBER...: `-` where there is none
median() {
    for number; do [ "$number" = - ] || echo "$number"; done | sort -g |
        awk '{ at[NR] = $1 } END { if (!NR) print "-"; else print at[int((NR + 1) / 2)] }'
}

# ---- PyTorch: one process that answers line by line ----
torch=
start_torch() {
    mkfifo "$work/ask" "$work/answer"
    ${PYTHON:-python3} peers.py <"$work/ask" >"$work/answer" 2>>"$log" &
    torch_process=$!
    exec 3>"$work/ask" 4<"$work/answer"
    torch=$(bounded 60 head -n 1 <&4)
    [ -n "$torch" ] || say "PyTorch with a GPU is not there: its columns stay empty"
}

stop_torch() {
    exec 3>&- 4<&-
    kill "$torch_process" 2>/dev/null
    wait "$torch_process" 2>/dev/null
    torch=
}

# ask REQUEST: sets eager, compiled, peak
ask() {
    eager=- compiled=- peak=-
    [ -n "$torch" ] || return
    echo "$1" >&3
    reply=$(bounded 60 head -n 1 <&4)
    if [ -z "$reply" ]; then
        say "PyTorch did not answer to $1; it is not asked again"
        stop_torch
        return
    fi
    eager=${reply%% *} peak=${reply##* }
    compiled=${reply#* }
    compiled=${compiled% *}
}

finish() {
    [ -z "$torch" ] || stop_torch
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# ours PROGRAM OPTION...: sets ms, memory
ours() {
    program=$1
    shift
    json=$(bounded 60 "$program" --bench --json --runs 3 "$@" 2>>"$log") || say "$program ended with code $?"
    ms=$(echo "$json" | field ms_device) memory=$(echo "$json" | field device_peak_bytes)
    [ -n "$ms" ] || ms=- memory=-
}

# ---- the parts ----
# several PART CASE WHAT: all lines of PART.txt, four at a time
several() {
    (cd "$1" && bounded 150 xargs -P 4 -L 1 sh "$self" "$2" <"../$1.txt") >"$work/$1" 2>>"$log"
    grep '^failed' "$work/$1" >>"$log"
    passed=$(grep -c '^passed' "$work/$1") failed=$(grep -c '^failed' "$work/$1")
    all=$(grep -c . "$1.txt")
    [ "$failed" = 0 ] || wrong=1
    printf '%s: %s of %s passed, %s failed, %s not run.\n\n' "$3" "$passed" "$all" "$failed" \
        $((all - passed - failed)) >"$work/$1.md"
    sed -n 's/^failed /- /p' "$work/$1" >>"$work/$1.md"
    say "$1: $passed of $all passed, $failed failed"
}

# agrees NAME RTOL ATOL REFERENCE: sets check; the CPU's program computes what is expected
agrees() {
    check=-
    [ "$4" != - ] || return
    set_of=$work/set/test_data_set_0
    rm -rf "$work/set"
    mkdir -p "$set_of"
    bounded 60 "kernels/$4" --seed 1 --output "y=$set_of/output_0.pb" >/dev/null 2>>"$log" || return
    bounded 60 "kernels/$1.gpu" --seed 1 --check "$work/set" --rtol "$2" --atol "$3" >>"$log" 2>&1
    case $? in
    0) check=yes ;;
    124) check=- ;;
    *) check=no wrong=1 ;;
    esac
}

# round PEER...: one measurement of each side, the other way round in every second round
round() {
    blas=-
    [ $((k % 2)) = 0 ] || ask "$*"
    [ "$1" != matmul ] || blas=$(bounded 30 ./cublaslt "$2" "$3" 2>>"$log") || blas=-
    ours "kernels/$name.gpu"
    [ $((k % 2)) = 1 ] || ask "$*"
    our="$our $ms" lt="$lt $blas" eager_all="$eager_all $eager" compiled_all="$compiled_all $compiled"
}

run_kernels() {
    while read -r name flops bytes rtol atol reference peer; do
        our='' lt='' eager_all='' compiled_all='' k=0
        [ $(($(date +%s))) -lt "$end" ] || break
        agrees "$name" "$rtol" "$atol" "$reference"
        while [ $k -lt "$rounds" ]; do
            round $peer </dev/null
            k=$((k + 1))
        done
        echo "$name $flops $bytes $check $(median $our) $(median $lt) $(median $eager_all)" \
            "$(median $compiled_all) $memory $peak" >>"$work/kernels"
        say "$(tail -n 1 "$work/kernels")"
    done <kernels.txt
}

run_models() {
    while read -r name rtol atol; do
        our='' eager_all='' compiled_all='' k=0 check=yes
        [ $(($(date +%s))) -lt "$end" ] || break
        bounded 60 "models/$name.gpu" --check "models/$name" --rtol "$rtol" --atol "$atol" >>"$log" 2>&1 ||
            { check=no wrong=1; }
        while [ $k -lt "$rounds" ]; do
            [ $((k % 2)) = 0 ] || ask "network $name" </dev/null
            ours "models/$name.gpu"
            [ $((k % 2)) = 1 ] || ask "network $name" </dev/null
            our="$our $ms" eager_all="$eager_all $eager" compiled_all="$compiled_all $compiled"
            k=$((k + 1))
        done
        echo "$name 0 0 $check $(median $our) - $(median $eager_all) $(median $compiled_all) $memory $peak" \
            >>"$work/models"
        say "$(tail -n 1 "$work/models")"
    done <models.txt
}

# ---- the tables ----
# table FILE: name flops bytes check ms cublaslt eager compiled memory peak
table() {
    awk 'BEGIN {
        print "| | agrees | onnxcc (ms) | rate | cuBLASLt (ms) | PyTorch (ms) | torch.compile (ms) | speed |" \
              " memory (MB) | PyTorch (MB) |"
        print "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    }
    function mega(n) { return n == "-" ? "-" : sprintf("%.1f", n / 1e6) }
    {
        best = "-"
        for (i = 6; i <= 8; i++) if ($i != "-" && (best == "-" || $i + 0 < best + 0)) best = $i
        rate = speed = "-"
        if ($5 > 0 && $2 > 0) rate = sprintf("%.1f TFLOP/s", $2 / $5 / 1e9)
        else if ($5 > 0 && $3 > 0) rate = sprintf("%.0f GB/s", $3 / $5 / 1e6)
        if ($5 > 0 && best != "-") speed = sprintf("%.2f x", best / $5)
        printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", \
            $1, $4, $5, rate, $6, $7, $8, speed, mega($9), mega($10)
    }' "$1"
}

device() {
    first=$(find kernels models -name '*.gpu' 2>/dev/null | LC_ALL=C sort | head -n 1)
    [ -n "$first" ] || return
    bounded 60 "$first" --bench --json --runs 1 2>>"$log" | sed -n 's/.*"device": "\([^"]*\)".*/\1/p'
}

report() {
    echo "$(cat about); measured $(date +%Y-%m-%d) on $gpu; ${torch_name:-no PyTorch}."
    echo "Times are medians of $rounds rounds that alternate between the sides; inputs and outputs lie on the"
    echo "device. Speed is the best peer's time divided by onnxcc's: above 1, onnxcc is faster."
    for part in check forms kernels models; do
        [ -f "$work/$part" ] || continue
        printf '\n### %s\n\n' "$part"
        if [ -f "$work/$part.md" ]; then cat "$work/$part.md"; else table "$work/$part"; fi
    done
}

gpu=$(device)
gpu=${gpu:-a GPU}
say "onnxcc: $(cat about); $gpu; $seconds s"
! has_part check || several check --case "ONNX backend tests"
! has_part forms || several forms --form "Results of models of tests/cuda/tiles.py"
if has_part kernels || has_part models; then start_torch; fi
torch_name=$torch
! has_part kernels || run_kernels
! has_part models || run_models
report >"$to/gpu.md"
cat "$to/gpu.md"
[ "$(date +%s)" -lt "$end" ] || say "the time was up: what is missing was not run"
exit $wrong
