"""Which contests are behind a code, as they stand in the database."""

from sqlalchemy import text

from gateway.contests.videos import Video
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


async def test_what_is_as_it_was_is_not_read_again_and_every_change_is_seen(database: Database) -> None:
    rig = await Rig(database.app_url).open()
    try:
        await rig.directory.refresh()
        before = rig.directory.by_slug("star")
        assert before is not None
        await rig.directory.refresh()
        assert rig.directory.by_slug("star") is before
        of_07 = "contest_id = (select id from contests where slug = 'star') and code = '07'"
        named = f"candidate_id = (select id from candidates where {of_07})"
        changes = [
            (f"update candidates set text = 'a singer' where {of_07}", "text", "a singer"),
            (f"update candidates set status = 'withdrawn' where {of_07}", "eligible", False),
            (f"update candidates set status = 'rejected' where {of_07}", None, None),
            (f"update candidates set status = 'approved' where {of_07}", "eligible", True),
            (
                "insert into video_uploads (public_id, contest_id, candidate_id, state, issued_by, version, width,"
                f" height) select 'v', contest_id, id, 'approved', 'awa', 1, 640, 360 from candidates where {of_07}",
                "video",
                Video("v", 1, 640, 360),
            ),
            (f"update video_uploads set state = 'rejected' where {named}", "video", None),
        ]
        for statement, field, value in changes:
            async with rig.engine.begin() as connection:
                await connection.execute(text(statement))
            await rig.directory.refresh()
            star = rig.directory.by_slug("star")
            assert star is not None
            shown = star.candidate("07")
            assert (shown is None) == (field is None), statement
            if field is not None:
                assert getattr(shown, field) == value, statement
            other = [one for one in star.candidates if one.code == "08"]
            assert other == [one for one in before.candidates if one.code == "08"]
        async with rig.engine.begin() as connection:
            await connection.execute(text("update contests set name = 'Star' where slug = 'star'"))
        await rig.directory.refresh()
        renamed = rig.directory.by_slug("star")
        assert renamed is not None
        assert star is not None
        assert (renamed.name, renamed.candidates is star.candidates) == ("Star", True)
    finally:
        await rig.close()
