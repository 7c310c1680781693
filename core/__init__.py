"""The ground floor: the language that every other room speaks. It imports nothing else of ours."""
