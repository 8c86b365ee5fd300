/* The loops of a tile in which groups of four warps multiply matrices (wgmma where a GPU has it).
 *
 *   split i.1 by 128 -> i.w i.2 exact     groups
 *   split i.2 by 64 -> i.m i.3 exact      the rows of a group's matrix
 *   split i.3 by 16 -> i.q i.4 exact      a warp of it has 16 of them
 *   split i.4 by 8 -> i.h i.g exact       thread 4*g + t of a warp has rows g and g + 8
 *   for i.w block { for j.w block { for i.q block { for i.g block { for j.t block {
 *     for k.0 {
 *       stage ... -> %s.a : f16[130,32] layout [1/8,0,1%8] shared ahead 2 behind 1
 *       stage ... -> %s.b : f16[33,128] layout [1/8,0,1%8] shared ahead 2 behind 1
 *       for i.m group { for i.h group { for j.m group { for j.e group { for k.1 group {
 *         do %s } } } } }
 *     }
 *     ...
 *
 * Copies are made of matrices of 8 rows of 16 bytes, 128 neighbouring ones each, so that the rows
 * that are read at once meet all banks. What threads write at once, 16 bytes each, does so because
 * a row or two are left out between the columns of such matrices. */
#include "ir/mma.h"
#include "passes/kernel/apply.h"
#include "passes/kernel/schedule_gpu_tile.h"

enum { ROWS = 64, WARP_ROWS = 16, COLUMNS = 8, LANE_ROWS = 8, LANE_COLUMNS = 2 };
/* pieces of 16 bytes that meet all banks; what a block may have on all GPUs; copies: of a round
 * that is multiplied, of one whose products may be on their way, two that arrive */
enum { PIECES = 8, SHARED = 99 << 10, COPIES = 4 };

void gpu_group_split(GpuTile *t, Side *side, int64_t each) {
    Sched *s = t->s;
    Var *of_group, *of_matrix, *of_warp;
    how_split(s, side->own, each, TAIL_EXACT, &side->warp, &of_group);
    if (side == &t->side[0]) {
        how_split(s, of_group, ROWS, TAIL_EXACT, &side->matrix, &of_matrix);
        how_split(s, of_matrix, WARP_ROWS, TAIL_EXACT, &side->quarter, &of_warp);
        how_split(s, of_warp, LANE_ROWS, TAIL_EXACT, &side->each, &side->lane);
    } else {
        how_split(s, of_group, COLUMNS, TAIL_EXACT, &side->matrix, &of_matrix);
        how_split(s, of_matrix, LANE_COLUMNS, TAIL_EXACT, &side->lane, &side->each);
    }
}

/* Rows that are left out: pieces of a row lie in a column each, so far apart that those of the
 * rows that are written at once do not meet. */
static int64_t gap(const GpuTile *t, int64_t row) {
    return MAX(PIECES * gpu_tile_piece(t) / row, 1);
}

/* At most; a box has no such rows. */
static int64_t copy_elements(const GpuTile *t, int i) {
    int64_t own = i ? t->shape.columns : t->shape.rows, depth = t->shape.depth;
    int64_t rows = t->side[i].along ? own : depth, row = t->side[i].along ? depth : own;
    return (rows + gap(t, row)) * row;
}

int64_t gpu_group_bytes(const GpuTile *t) {
    int64_t elements = copy_elements(t, 0) + copy_elements(t, 1);
    return elements * (int64_t)dtype_bytes(gpu_tile_type(t->sum->value->arg[0]));
}

Tensor *gpu_group_constant(const GpuTile *t, const Side *side) {
    const Expr *e = t->sum->value->arg[side->factor];
    e = expr_unconverted(e);
    return e->kind == E_LOAD && e->tensor->space == SP_CONST ? e->tensor : NULL;
}

void gpu_group_round(GpuTile *t, Tensor *constant) {
    Ctx *c = t->s->ctx;
    const Const *of = constant->data;
    if (constant->dtype != DT_F32 || !of || of->missing) return;
    int64_t n = of->data ? of->elements : 1;
    uint32_t *bits = NEW_ARRAY(c->perm, uint32_t, n + 1);
    memcpy(bits, of->data ? of->data : of->splat, sizeof *bits * (size_t)n);
    for (int64_t i = 0; i < n; i++) bits[i] = mma_tf32(bits[i]);
    constant->data =
        of->data ? const_new(c, DT_F32, n, bits) : const_splat(c, DT_F32, of->elements, bits);
}

/* Is the factor stored so that a round's part of it lies in the order of the copy? */
static bool is_bulk(const GpuTile *t, const Side *side) {
    const Tensor *constant = gpu_group_constant(t, side);
    const Layout *l = constant ? constant->layout : NULL;
    if (!l || l->n < 5 || side->n != 1 || !gpu_tile_is_long(t, t->red[t->n_red - 1], 1))
        return false;
    const LayoutDim *at = &l->at[l->n - 4];
    int64_t depth = t->shape.depth, piece = gpu_tile_piece(t);
    int64_t own = side == &t->side[1] ? t->shape.columns : t->shape.rows;
    if (at[0].div != depth || at[1].div != piece || at[3].mod != piece) return false;
    return side->along ? at[1].mod == depth / piece && at[2].mod == own
                       : at[1].mod % (own / piece) == 0 && at[2].mod == depth;
}

/* Is the copy a box of a tensor in memory? */
static bool is_box(const GpuTile *t, const Stage *g, ApplyMap *m) {
    Apply a = {.ctx = t->s->ctx, .kernel = t->s->kernel, .how = t->s->how};
    DType type = gpu_tile_type(g->stmt->value->arg[g->factor]);
    return !g->bulk && apply_find_map(&a, g, type, m);
}

/* In pieces of this many elements of a row, piece by piece */
static Layout *in_pieces(Ctx *c, int64_t each) {
    Layout *l = NEW(c->perm, Layout);
    *l = (Layout){3, {{1, each, 0}, {0, 1, 0}, {1, 1, each}}};
    return l;
}

static void add_stage(GpuTile *t, Nest *at, const Side *side, int ahead, int behind) {
    Ctx *c = t->s->ctx;
    Var *own[] = {side->own, t->depth}, *turn[] = {t->depth, side->own};
    ApplyMap map;
    Stage g = {.stmt = t->sum,
               .factor = side->factor,
               .region = side->along ? own : turn,
               .n_region = 2,
               .ahead = ahead,
               .behind = behind,
               .bulk = is_bulk(t, side)};
    int64_t row = 0;
    CHECK(expr_is_int(g.region[1]->extent, &row));
    g.box = is_box(t, &g, &map);
    int64_t room = g.bulk || g.box ? 0 : gap(t, row);
    Expr *dims[] = {expr_addi(c, g.region[0]->extent, room), g.region[1]->extent};
    Tensor *copy = gpu_tile_stage(t->s, at, g, dims, NULL);
    if (!g.box || map.boxes > 1) copy->layout = in_pieces(c, g.box ? map.row : gpu_tile_piece(t));
}

void gpu_group_stages(GpuTile *t, Nest *at) {
    int copies = (int)MIN(SHARED / gpu_group_bytes(t), COPIES), behind = copies == COPIES;
    CHECK(copies >= 2);
    for (int i = 0; i < 2; i++) add_stage(t, at, &t->side[i], copies - 1 - behind, behind);
}
