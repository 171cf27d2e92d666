from supply_lake_tests.sensors.conftest import make_lake, orders

__all__ = ["make_lake", "orders"]
