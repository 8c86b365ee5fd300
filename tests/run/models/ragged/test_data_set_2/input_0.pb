
items