"""The library of the article that this project began with, without its mistakes."""
