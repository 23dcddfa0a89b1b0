//! Floor 2: a checked XML tree with byte spans.
