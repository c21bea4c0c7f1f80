"""What a face goes through: find, align, judge the quality, embed."""
