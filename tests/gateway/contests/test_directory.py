"""Which contests are behind a code, as they stand in the database."""

from sqlalchemy import text

from tests.engines import Database
from tests.rigs.rig import Rig


async def test_a_contest_without_codes_is_behind_none(database: Database) -> None:
    rig = await Rig(database.app_url).open()
    try:
        async with rig.engine.begin() as connection:
            await connection.execute(text("update contests set service_code = '', short_code = '' where slug = 'star'"))
        await rig.directory.refresh()
        star = rig.directory.by_slug("star")
        assert star is not None
        assert (star.dial_code, star.menu_number) == ("", None)
        assert rig.directory.by_service_code("") == rig.directory.by_short_code("") == ()
    finally:
        await rig.close()
