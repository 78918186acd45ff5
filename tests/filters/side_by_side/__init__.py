"""The filters beside the milters they take the place of: the same mail, and a page of what came of it."""
