/* The table of machines. */
#include "ir/machine.h"

const Machine machines[] = {
#define M(name, family, bytes, regs, masks, fma, l1, l2, stack)                                    \
    {name, family, bytes, regs, masks, fma, l1, l2, stack},
#include "ir/machines.def"
#undef M
};
const int n_machines = LEN(machines);

const Machine *machine_by_name(const char *name) {
    for (int i = 0; i < n_machines; i++)
        if (!strcmp(machines[i].name, name)) return &machines[i];
    return NULL;
}
