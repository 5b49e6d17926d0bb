"""The experiment's clock: times files beside movies, read and matched with frames."""
