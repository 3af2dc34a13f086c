"""The docks: Qt widgets that show the model and pass the user's wishes on to it."""
