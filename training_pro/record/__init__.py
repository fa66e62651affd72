"""What a run leaves behind: files written whole, the history, the graph, the card, and the list of runs."""
