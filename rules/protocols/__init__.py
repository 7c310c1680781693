"""The rules that come with the house, one YAML file each."""
