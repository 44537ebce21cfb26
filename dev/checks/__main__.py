"""The checks of what is deployed.

python -m checks chart            the chart, the alerts' own tests, the dashboard, the runbooks; UPDATE=1 writes what is generated
python -m checks image ROOT CONFIG WORK    an image's root, run as a container beside real services
python -m checks alerts           a real Prometheus sees a real relay lose its broker, and get it back
python -m checks materials TARGET TIME FILE     writes the bill of materials
python -m checks notices TARGET FILE            writes the licences of what is in the program
python -m checks pack FOLDER      packs the chart
python -m checks release FOLDER ARCHIVE VERSION    what dev/dist has made
"""

import sys

from .report import Failed


def main(arguments: list[str]) -> int:
    match arguments:
        case ["chart"]:
            from . import chart

            return chart.main()
        case ["image", root, config, work]:
            from . import image

            return image.main(root, config, work)
        case ["alerts"]:
            from . import live

            return live.main()
        case ["materials", target, created, path]:
            from . import release

            return release.write_materials(target, created, path)
        case ["notices", target, path]:
            from . import release

            return release.write_notices(target, path)
        case ["pack", folder]:
            from . import release

            return release.write_chart(folder)
        case ["release", folder, archive, version]:
            from . import release

            return release.check(folder, archive, version)
        case _:
            print(__doc__, file=sys.stderr)
            return 64


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as error:
        print(f"WRONG: {error}", file=sys.stderr)
        sys.exit(1)
