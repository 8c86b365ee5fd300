
againJ~4?f®m¾‰hwÀ