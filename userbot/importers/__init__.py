"""Export files to messages: one module a format behind one Protocol."""
