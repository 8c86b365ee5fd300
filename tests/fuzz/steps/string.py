"""Strings."""

from random_graph import I32, I64, STRING
from steps.registry import makes

WORDS = ["a", "b", "tree", "Tree", "two words", "x-y", "end.", ""]
TEXTS = ["a b c", "one,two", " lead", "a  b", "x", "a,b,,c"]


def texts(g, words, rank=(1, 2)):
    """Strings, mostly new ones."""
    fit = [n for n in g.values if g.fits(n, rank, [STRING], 1, None, None)]
    if fit and g.chance(0.4):
        return g.choose(fit)
    shape = g.sizes(g.choose(rank), 1)
    while len(shape) and shape[0] * len(shape) > 20:
        shape = g.sizes(len(shape), 1)
    value = g.random(shape, STRING)
    for i in range(value.size):
        value.ravel()[i] = g.choose(words)
    return g.input(value)


@makes("StringConcat")
def string_concat(g, op):
    x = texts(g, WORDS)
    return g.node(op, [x, g.like(x)])


@makes("StringSplit")
def string_split(g, op):
    x = texts(g, TEXTS)
    delimiter = g.maybe(g.choose([",", " ", "", "b"]))
    if "" in g.values[x]:  # its pieces are none or one, as the implementation has it
        delimiter = None
    return g.node(op, [x], 2, delimiter=delimiter, maxsplit=g.maybe(g.choose([1, 2])))


@makes("StringNormalizer")
def string_normalizer(g, op):
    x = texts(g, WORDS, (1,))
    return g.node(op, [x], case_change_action=g.maybe(g.choose(["LOWER", "UPPER", "NONE"])),
                  is_case_sensitive=g.maybe(g.rng.randrange(2)),
                  stopwords=g.maybe(g.choose([["a", "tree"], ["Tree"], []]) or None))


@makes("RegexFullMatch")
def regex(g, op):
    patterns = ["[a-z]+", "(a|b)*", ".*e.*", r"\w+ \w+", "t?ree|Tree", "[^a]*", r"\d+(\.\d+)?", ""]
    return g.node(op, [texts(g, WORDS)], pattern=g.choose(patterns))


@makes("TfIdfVectorizer")
def tf_idf(g, op):
    types = [I32, I64] + [STRING]
    dtype = g.choose(types)
    rank = g.choose([1, 2])
    x = texts(g, WORDS[:4], (rank,)) if dtype == STRING else \
        g.input(g.np.integers(0, 5, g.sizes(rank, 1)).astype(dtype))
    pool = {"pool_strings": ["a", "b", "tree", "Tree", "a", "b", "tree"]} if dtype == STRING \
        else {"pool_int64s": [0, 1, 2, 3, 0, 1, 2]}
    return g.node(op, [x], mode=g.choose(["TF", "IDF", "TFIDF"]), min_gram_length=g.choose([1, 2]),
                  max_gram_length=2, max_skip_count=g.choose([0, 1, 3]), ngram_counts=[0, 3],
                  ngram_indexes=[0, 1, 2, 3, 4],
                  weights=g.maybe([1.0, 0.5, 2.0, 1.5, 3.0]), **pool)
