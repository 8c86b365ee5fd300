"""One random graph by its number."""

import random


from random_graph import F32, Graph
from references import DOMAINS, all_nodes
from steps import (attention, control, index, linear, loss, ml, norm, pointwise, recurrent, reduce,
                   sequence, shape, signal, string, training, window)
from steps.registry import LEFT_OUT, MAKERS, opset_operators, random_step, step, versions

FAMILIES = [attention, control, index, linear, loss, ml, norm, pointwise, recurrent, reduce,
            sequence, shape, signal, string, training, window]
OPERATORS = sorted(MAKERS)
NEWEST = {"training": 1, "preview": 1}


def choose_opset(rng, op, domain):
    """Mostly 13 to 26; the old forms now and then, and 27 where it is needed."""
    fit = list(versions(op, domain))
    usual = [v for v in fit if 13 <= v <= 26]
    old = [v for v in fit if v < 13]
    if old and (not usual or rng.random() < 0.15):
        return rng.choice(old)
    return rng.choice(usual or fit)


def ml_version(rng, op):
    if op == "TreeEnsemble":
        return 5
    return rng.choice([v for v in (2, 3, 4) if v > 2 or op != "LabelEncoder"])


def generate(seed):
    """The graph of this number, begun with an operator that follows from it: any len(OPERATORS)
    numbers in a row have all of them. None where nothing came of it."""
    op, domain = OPERATORS[seed % len(OPERATORS)]
    for attempt in range(24):
        rng = random.Random(f"{seed} {attempt}")
        domains = {"ml": ml_version(rng, op), **NEWEST}
        g = Graph(seed * 16 + attempt, choose_opset(rng, op, domain), domains)
        g.seed = seed
        if attempt > 5:
            g.main = F32
        if not step(g, op, domain):
            continue
        for _ in range(g.rng.randint(1, 11)):
            random_step(g)
        return g
    return None


def operators_of(model):
    """Names of all operators in a model, bodies included."""
    short = {v: k for k, v in DOMAINS.items()}
    return [(n.op_type, short.get(n.domain, "")) for n in all_nodes(model.graph.node)]


def never_made(covered):
    """Operators of ai.onnx that are neither covered nor left out."""
    return [op for op in opset_operators() if (op, "") not in covered and op not in LEFT_OUT]
